-- +goose Up
-- What happened in each line; see store.Rollups.
create table rollup (
  step integer not null,
  at integer not null,
  lane integer not null,
  target integer not null,
  node blob not null,
  data blob not null,
  primary key (step, at, lane, target, node)
) strict, without rowid;

-- +goose Down
drop table rollup;
