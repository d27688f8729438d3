-- +goose Up
-- What failed alike; see store.Failures.
create table failure_group (
  ns integer not null,
  print blob not null,
  queue text not null,
  target text not null,
  code text not null,
  text text not null,
  first_at integer not null,
  last_at integer not null,
  count integer not null,
  sample blob not null,
  muted_until integer not null,  -- 0 = it is not
  primary key (ns, print)
) strict, without rowid;
create index failure_group_at on failure_group (last_at, print, ns);

-- +goose Down
drop table failure_group;
