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

-- What lets a task wait: limits, order, duplicates.
alter table sendoff.task add column gates bytea; -- what it asks for, see store.EncodeGates; does not change

-- What tasks share. A row is there while somebody is inside or in line, while its rate
-- remembers a start, and while it is configured.
create table sendoff.gate (
    every      int8 not null, -- from one start to the next; 0 = no rate
    last       int8 not null, -- number given out last in line
    next       int8 not null, -- time from which the rate is as after a rest
    id         uuid not null,
    holder     uuid,          -- who entered last
    ns         int4 not null,
    capacity   int4 not null, -- 0 = any number
    burst      int4 not null,
    inside     int4 not null,
    waiting    int4 not null,
    kind       int2 not null, -- 1 limit, 2 order, 3 duplicates
    paused     boolean not null default false,
    configured boolean not null default false,
    name       text collate "C" not null,
    constraint gate_pkey primary key (id)
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
create index gate_configured on sendoff.gate (ns, name) where configured;
create index gate_idle on sendoff.gate (next, id) where inside = 0 and waiting = 0 and not configured;

-- Who waits for room, and nobody else.
create table sendoff.line (
    at   int8 not null, -- number, and since when
    gate uuid not null,
    task uuid not null,
    lane int4 not null,
    prio int2 not null,
    constraint line_pkey primary key (gate, prio, at, task)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
create index line_lane on sendoff.line (lane, task);

-- Attempts that were canceled while they ran, and have not been seen to stop: their
-- tasks are still inside.
create table sendoff.leaver (
    token int8 not null,
    task  uuid not null,
    node  uuid not null,
    gates bytea not null,
    constraint leaver_pkey primary key (task, token)
);

-- What lets a task wait: tasks that it depends on. Edges are written with the task that
-- depends, counted when the other one ends, and kept until the first is erased.
create table sendoff.dep (
    up    uuid not null, -- has to end first
    down  uuid not null, -- depends on it
    ended int2 not null, -- how the first has ended, as the second counted it: 0 = it has not, 1 well, 2 badly, 3 was not needed
    constraint dep_pkey primary key (up, down)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
create index dep_down on sendoff.dep (down, up);

create table sendoff.need (
    task    uuid not null,
    lane    int4 not null,
    total   int4 not null, -- of its dependencies; those that have ended:
    ok      int4 not null,
    failed  int4 not null,
    skipped int4 not null,
    rule    int2 not null, -- see task.When
    waits   bool not null, -- nothing has been decided: the task is blocked
    constraint need_pkey primary key (task)
) with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
create index need_lane on sendoff.need (lane, task) where waits;

-- +goose Down
drop table sendoff.need;
drop table sendoff.dep;
drop table sendoff.leaver;
drop table sendoff.line;
drop table sendoff.gate;
alter table sendoff.task drop column gates;
drop table sendoff.share;
drop table sendoff.endpoint_reset;
drop table sendoff.node_view;
