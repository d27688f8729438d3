-- +goose Up
-- Definitions of job graphs; see store.Graphs. A row never changes.
create table graph (
  ns integer not null,
  name text not null,
  rev integer not null,        -- from 1, without gaps
  created_at integer not null,
  definition blob not null,
  primary key (ns, name, rev)  -- beside the rows, which are long
) strict;

-- +goose Down
drop table graph;
