-- +goose Up
-- Documents with secrets that are sealed under one that is not in the database; see store.Vault.
create table sealed (
  name text not null primary key,
  doc blob not null
) strict, without rowid;

-- +goose Down
drop table sealed;
