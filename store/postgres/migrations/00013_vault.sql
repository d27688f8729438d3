-- +goose Up
-- Documents with secrets that are sealed under one that is not in the database; see store.Vault.
create table sendoff.sealed (
    name text collate "C" not null,
    doc  bytea not null,
    constraint sealed_pkey primary key (name)
);

-- +goose Down
drop table sendoff.sealed;
