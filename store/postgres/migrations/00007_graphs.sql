-- +goose Up
-- Definitions of job graphs; see store.Graphs. A row never changes.
create table sendoff.graph (
    created_at int8 not null,
    ns         int4 not null,
    rev        int4 not null, -- from 1, without gaps
    name       text collate "C" not null,
    definition bytea not null,
    constraint graph_pkey primary key (ns, name, rev)
);

-- +goose Down
drop table sendoff.graph;
