-- +goose Up
-- What nodes tell of the endpoints that they call, and with which they are asked to begin anew; see store.Views.
create table node_view (
  node blob not null primary key,
  at integer not null,
  body blob not null
) strict, without rowid;

create table endpoint_reset (
  id blob not null primary key,
  at integer not null,
  endpoint text not null
) strict, without rowid;

-- +goose Down
drop table endpoint_reset;
drop table node_view;
