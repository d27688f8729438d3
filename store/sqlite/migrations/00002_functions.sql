-- +goose Up
-- Durable functions: calls and their parents, messages, journals.

alter table task add column correlation integer; -- of a call, as its parent chose it
alter table task add column epoch integer;       -- of the parent when it made the call
create index task_root on task (root, id) where root is not null;

-- What is known of the messages to a function; made when it first polls or is
-- sent a signal.
create table wait (
  task blob not null primary key,
  epoch integer not null default 0,
  total integer not null default 0,  -- messages that ever came
  seen integer not null default 0,   -- messages used up
  open integer not null default 0,   -- calls whose results are not used up
  need integer not null default 0,   -- messages beyond seen that end the suspension; -1 = the task has ended
  writer integer not null default 0  -- token of the attempt that left the state (body, part 1)
) strict, without rowid;

create table inbox (
  task blob not null,
  seq integer not null,
  kind integer not null,             -- 1 result, 2 signal, 3 poll error
  sender blob,
  correlation integer not null,
  state integer not null,
  reason integer not null,
  name text not null,
  error text not null,
  body blob,
  primary key (task, seq)
) strict;

create table journal (
  task blob not null,
  at integer not null,               -- bytes before
  token integer not null,
  bytes blob not null,
  primary key (task, at)
) strict, without rowid;
