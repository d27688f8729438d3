-- +goose Up

-- Names. Small, read often, changed rarely.
create table sendoff.meta (
    name  text primary key,
    value text not null
);
insert into sendoff.meta (name, value) values ('incarnation', gen_random_uuid()::text);

create table sendoff.queue (
    id         int4 primary key,
    ns         int4 not null,
    name       text not null,
    paused     bool not null default false,
    settings   bytea,
    created_at int8 not null,
    unique (ns, name)
);

create table sendoff.lane (
    id    int4 primary key,
    queue int4 not null,
    pool  text not null,
    unique (queue, pool)
);

create table sendoff.node (
    id          uuid primary key,
    name        text not null,
    version     int4 not null,
    roles       text not null,
    pools       text not null,
    started_at  int8 not null,
    lease_until int8 not null,
    draining    bool not null
) with (fillfactor = 50);

-- The truth. Columns that change stand together between columns that never do,
-- so that the log of an update holds little else; fixed widths come first. No
-- index holds a column that changes, so every transition is a HOT update.
create table sendoff.task (
    id            uuid not null,
    created_at    int8 not null,
    expires_at    int8 not null default 0, -- 0 = never
    at            int8 not null, -- due time when scheduled, otherwise the last position
    lane          int4 not null,
    flags         int4 not null,
    max_attempts  int4 not null,
    prio          int2 not null,
    kind          int2 not null,
    token         int8 not null default 0,
    first_started int8 not null default 0,
    last_started  int8 not null default 0,
    finished_at   int8 not null default 0,
    run           int4 not null default 1,
    failures      int4 not null default 0,
    crashes       int4 not null default 0,
    last_code     int4 not null default 0,
    state         int2 not null,
    reason        int2 not null default 0,
    last_outcome  int2 not null default 0,
    node          uuid, -- of the last attempt
    parent        uuid,
    root          uuid,
    grp           bytea,
    order_key     bytea, -- reserved
    last_error    text,
    keys          bytea, -- names of the keys that end with the task
    spec          bytea not null,
    payload       bytea, -- null when it is in body
    constraint task_pkey primary key (id)
) with (fillfactor = 50);
create index task_lane on sendoff.task (lane, id);

-- The work lists. They are queues: always short or always changing, so vacuum
-- follows them by rows, not by share.
create table sendoff.ready (
    pos  int8 not null,
    lane int4 not null,
    prio int2 not null,
    id   uuid not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
        autovacuum_vacuum_cost_delay = 0);
create index ready_line on sendoff.ready (lane, prio, pos);

create table sendoff.timer (
    at   int8 not null,
    lane int4 not null,
    kind int2 not null default 0, -- reserved
    id   uuid not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
        autovacuum_vacuum_cost_delay = 0);
create index timer_due on sendoff.timer (at, id);

create table sendoff.claim (
    id   uuid primary key,
    node uuid not null,
    at   int8 not null,
    ids  uuid[] not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
alter table sendoff.claim alter column ids set storage external; -- ids do not compress

create table sendoff.dead (
    at   int8 not null,
    lane int4 not null,
    id   uuid not null
);
create index dead_lane on sendoff.dead (lane, at);

-- Beside the truth: written once, read rarely.
create table sendoff.attempt (
    task        uuid not null,
    token       int8 not null,
    started_at  int8 not null,
    finished_at int8 not null,
    run         int4 not null,
    number      int4 not null,
    code        int4 not null,
    outcome     int2 not null,
    truncated   bool not null,
    node        uuid,
    error       text,
    headers     bytea,
    body        bytea,
    primary key (task, token)
);

create table sendoff.body (
    task  uuid not null,
    part  int2 not null, -- 0 = the payload
    bytes bytea not null,
    primary key (task, part)
);
-- Compressing costs more processor time than it saves disk on the hot path.
alter table sendoff.body alter column bytes set storage external;
alter table sendoff.attempt alter column body set storage external;

create table sendoff.key (
    ns         int4 not null,
    kind       int2 not null,
    hash       bytea not null,
    task       uuid not null,
    until      int8 not null, -- 0 = not bound to time
    while_open bool not null,
    body       bytea not null,
    primary key (ns, kind, hash)
);
create index key_until on sendoff.key (until) where until > 0;

-- +goose Down
drop schema sendoff cascade;
