-- +goose Up

-- Of a call, as its parent made it; nothing for other tasks.
alter table sendoff.task
    add column correlation int8, -- the bits of an unsigned number
    add column epoch       int4; -- of the parent
create index task_root on sendoff.task (root, id) where root is not null;

-- timer.kind says in what state a task waits there: 4 = suspended, 5 = blocked,
-- everything else = scheduled.

-- What is known of the messages to a function. It is updated with every one of
-- them, and locked before any task is: whoever tells a function something and
-- the function itself meet here.
create table sendoff.wait (
    task   uuid not null,
    total  int8 not null default 0, -- messages that ever came
    seen   int8 not null default 0, -- messages used up
    open   int8 not null default 0,
    writer int8 not null default 0, -- token of the attempt that suspended it last
    epoch  int4 not null default 0,
    need   int4 not null default 0, -- messages beyond seen that end its wait; -1 = it has ended
    constraint wait_pkey primary key (task)
) with (fillfactor = 30);

create table sendoff.inbox (
    task        uuid not null,
    seq         int8 not null,
    correlation int8,
    kind        int2 not null,
    state       int2,
    reason      int2,
    "from"      uuid,
    name        bytea,
    error       bytea,
    body        bytea,
    constraint inbox_pkey primary key (task, seq)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
alter table sendoff.inbox alter column body set storage external;

create table sendoff.journal (
    task     uuid not null,
    "offset" int8 not null,
    token    int8 not null,
    bytes    bytea not null,
    constraint journal_pkey primary key (task, "offset")
);
alter table sendoff.journal alter column bytes set storage external;

-- +goose Down
drop table sendoff.journal;
drop table sendoff.inbox;
drop table sendoff.wait;
drop index sendoff.task_root;
alter table sendoff.task drop column epoch, drop column correlation;
