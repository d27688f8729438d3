-- +goose Up
-- What nodes tell of the endpoints that they call, and with which they are asked to begin anew; see store.Views.
create table sendoff.node_view (
    at   int8 not null,
    node uuid not null,
    body bytea not null,
    constraint node_view_pkey primary key (node)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table sendoff.endpoint_reset (
    at       int8 not null,
    id       uuid not null,
    endpoint text not null,
    constraint endpoint_reset_pkey primary key (id)
);

-- What the nodes have of the limits of queues; see store.Quotas.
create table sendoff.share (
    queue      int4 not null,
    node       uuid not null, -- zero: what no node has
    slots      int4 not null, -- attempts under way at a time
    burst      int4 not null, -- starts at once
    want_slots int4 not null,
    want_burst int4 not null,
    level      int8 not null, -- of what no node has: starts, in millionths, that it was good for
    at         int8 not null, -- at this time; 0 = of a node
    constraint share_pkey primary key (queue, node)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- +goose Down
drop table sendoff.share;
drop table sendoff.endpoint_reset;
drop table sendoff.node_view;
