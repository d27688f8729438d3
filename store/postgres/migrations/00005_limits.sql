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

-- +goose Down
drop table sendoff.endpoint_reset;
drop table sendoff.node_view;
