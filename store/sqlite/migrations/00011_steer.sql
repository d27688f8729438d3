-- +goose Up
-- How operators steer: hosts that get no pushes, see store.Views.
create table endpoint_pause (
  host text not null primary key,
  at integer not null
) strict, without rowid;
alter table endpoint_reset add column kind integer not null default 0; -- see store.ResetKind
-- Nodes that were told to claim nothing more; see store.Members.
alter table node add column told_at integer not null default 0; -- 0 = it was not
-- Namespaces of which nothing is claimed; see store.Access.
alter table namespace add column paused_at integer not null default 0; -- 0 = they are not paused

-- +goose Down
alter table namespace drop column paused_at;
alter table node drop column told_at;
alter table endpoint_reset drop column kind;
drop table endpoint_pause;
