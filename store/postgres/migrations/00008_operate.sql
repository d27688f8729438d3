-- +goose Up
-- What operators did; see store.Audits.
create table sendoff.audit (
    seq     int8 generated always as identity,
    at      int8 not null,
    count   int8 not null,
    ns      int4 not null,
    key_id  text not null,
    name    text not null,
    address text not null,
    action  text not null,
    target  text not null,
    result  text not null,
    reason  text not null,
    seal    bytea, -- follows from that of the row before; null = not sealed yet
    constraint audit_pkey primary key (seq)
);
create index audit_ns on sendoff.audit (ns, seq);

-- Who may come in; see store.Access.
create table sendoff.namespace (
    id         int4 primary key,
    created_at int8 not null,
    rev        int8 not null, -- of the last change; rises over both tables
    name       text collate "C" not null unique,
    settings   bytea
);
insert into sendoff.namespace (id, created_at, rev, name) values (1, 0, 1, 'default');

create table sendoff.api_key (
    created_at   int8 not null,
    expires_at   int8 not null,
    last_used_at int8 not null,
    revoked_at   int8 not null,
    rev          int8 not null,
    ns           int4 not null,
    scopes       int2 not null,
    id           text collate "C" primary key,
    name         text not null,
    prefix       text not null,
    hash         bytea not null unique
);

-- What is planned; see store.Schedules. Most writes are fires, which change next_at.
create table sendoff.schedule (
    rev          int8 not null,
    next_at      int8 not null, -- 0 = nothing is due
    last_due     int8 not null,
    last_fired   int8 not null,
    created_at   int8 not null,
    updated_at   int8 not null,
    ns           int4 not null,
    last_outcome int2 not null,
    paused       boolean not null,
    edited       boolean not null,
    last_task    uuid,
    name         text collate "C" not null,
    spec         bytea not null,
    declared     bytea, -- null = no file says anything of it
    constraint schedule_pkey primary key (ns, name)
);
create index schedule_due on sendoff.schedule (next_at, ns, name) where next_at > 0;

create table sendoff.fire (
    due      int8 not null,
    fired_at int8 not null,
    task     uuid not null, -- all zero = none
    ns       int4 not null,
    outcome  int2 not null,
    schedule text collate "C" not null,
    reason   text not null,
    constraint fire_pkey primary key (ns, schedule, due, task)
);

-- What is done to many tasks at once; see store.Actions.
create table sendoff.action (
    id          uuid not null,
    created_at  int8 not null,
    finished_at int8 not null,
    until       int8 not null, -- nobody else goes on with it before
    fence       int8 not null,
    items       int8 not null,
    ns          int4 not null,
    state       int2 not null,
    body        bytea not null,
    progress    bytea not null,
    constraint action_pkey primary key (id)
);
create index action_ns on sendoff.action (ns, id);

create table sendoff.action_item (
    action uuid not null,
    task   uuid not null,
    seq    int8 not null,
    run    int4 not null,
    constraint action_item_pkey primary key (action, seq)
);

-- +goose Down
drop table sendoff.action_item;
drop table sendoff.action;
drop table sendoff.fire;
drop table sendoff.schedule;
drop table sendoff.api_key;
drop table sendoff.namespace;
drop table sendoff.audit;
