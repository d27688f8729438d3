-- +goose Up
-- What happened in each line; see store.Rollups.
create table sendoff.rollup (
    step   int8 not null,
    at     int8 not null,
    node   uuid not null, -- all zero = all of them
    lane   int4 not null,
    target int4 not null,
    data   bytea not null,
    constraint rollup_pkey primary key (step, at, lane, target, node)
);

-- +goose Down
drop table sendoff.rollup;
