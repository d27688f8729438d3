-- +goose Up
-- Why an attempt got no answer: refused, reset, timed out, DNS, TLS; see task.Cause.

alter table attempt add column cause integer not null default 0;
alter table task add column last_cause integer not null default 0;

-- Work that is too much for the transaction that asks for it.
create table todo (
  task blob not null,
  kind integer not null,       -- 1 = cancel calls
  token integer not null,      -- of the task when it was written
  at integer not null,         -- when it is due
  detail blob not null,        -- see store.Todo
  primary key (task, kind, token)
) strict, without rowid;
create index todo_due on todo (at, task, kind, token);

-- What a task that succeeded brought back, when it is small: its last attempt has no row then.
alter table task add column answer_headers blob;
alter table task add column answer_body blob;

-- What functions have besides their tasks is told by a flag; see store.FlagWaits.
update task set flags = flags | 128 where kind = 2;

-- +goose Down
update task set flags = flags & ~128;
alter table task drop column answer_body;
alter table task drop column answer_headers;
drop table todo;
alter table task drop column last_cause;
alter table attempt drop column cause;
