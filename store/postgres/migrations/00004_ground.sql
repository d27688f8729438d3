-- +goose Up

-- Why an attempt got no answer: refused, reset, timed out, DNS, TLS; see task.Cause.
alter table sendoff.attempt add column cause int2 not null default 0;
alter table sendoff.task add column last_cause int2; -- null = none, which takes no room

-- An index that only who asks for a lane can use: where statistics say that the table is
-- empty, all indexes cost the same, and this one must not be walked for each id.
drop index sendoff.task_lane;
create index task_lane on sendoff.task (lane, id) where lane is not null;

-- Work that is too much for the transaction that asks for it.
create table sendoff.todo (
    at     int8 not null, -- when it is due
    token  int8 not null, -- of the task when it was written
    task   uuid not null,
    kind   int2 not null, -- 1 = cancel calls
    detail bytea not null, -- see store.Todo
    constraint todo_pkey primary key (task, kind, token)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0);
create index todo_due on sendoff.todo (at, task, kind, token);

-- What a task that succeeded brought back, when it is small: its last attempt has no row then.
alter table sendoff.task add column answer_headers bytea, add column answer_body bytea;

-- What functions have besides their tasks is told by a flag; see store.FlagWaits.
update sendoff.task set flags = flags | 128 where kind = 2;

-- +goose Down
update sendoff.task set flags = flags & ~128;
alter table sendoff.task drop column answer_body, drop column answer_headers;
drop table sendoff.todo;
drop index sendoff.task_lane;
create index task_lane on sendoff.task (lane, id);
alter table sendoff.task drop column last_cause;
alter table sendoff.attempt drop column cause;
