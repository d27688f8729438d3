-- +goose Up
-- How operators steer: hosts that get no pushes, see store.Views.
create table sendoff.endpoint_pause (
    at   int8 not null,
    host text collate "C" not null,
    constraint endpoint_pause_pkey primary key (host)
);
alter table sendoff.endpoint_reset add column kind int2 not null default 0; -- see store.ResetKind
-- Nodes that were told to claim nothing more; see store.Members.
alter table sendoff.node add column told_at int8 not null default 0; -- 0 = it was not
-- Namespaces of which nothing is claimed; see store.Access.
alter table sendoff.namespace add column paused_at int8 not null default 0; -- 0 = they are not paused

-- +goose Down
alter table sendoff.namespace drop column paused_at;
alter table sendoff.node drop column told_at;
alter table sendoff.endpoint_reset drop column kind;
drop table sendoff.endpoint_pause;
