-- +goose Up
-- What nodes tell of the endpoints that they call, and with which they are asked to begin anew; see store.Views.
create table node_view (
  node blob not null primary key,
  at integer not null,
  body blob not null
) strict, without rowid;

create table endpoint_reset (
  id blob not null primary key,
  at integer not null,
  endpoint text not null
) strict, without rowid;

-- What lets a task wait: tasks that it depends on.

create table dep (
  up blob not null,            -- has to end first
  down blob not null,          -- depends on it; the row is kept until this one is erased
  ended integer not null,      -- how the first has ended, as the second counted it: 0 = it has not, 1 well, 2 badly, 3 was not needed
  primary key (up, down)
) strict, without rowid;
create index dep_down on dep (down, up);

create table need (
  task blob primary key,
  lane integer not null,
  rule integer not null,       -- see task.When
  waits integer not null,      -- nothing has been decided: the task is blocked
  total integer not null,      -- of its dependencies; those that have ended:
  ok integer not null,
  failed integer not null,
  skipped integer not null
) strict, without rowid;
create index need_lane on need (lane, task) where waits;

-- What the nodes have of the limits of queues; see store.Quotas.
create table share (
  queue integer not null,
  node blob not null,           -- zero: what no node has
  slots integer not null,       -- attempts under way at a time
  burst integer not null,       -- starts at once
  want_slots integer not null,
  want_burst integer not null,
  level integer not null,       -- of what no node has: starts, in millionths, that it was good for
  at integer not null,          -- at this time; 0 = of a node
  primary key (queue, node)
) strict, without rowid;

-- What lets a task wait: limits, order, duplicates.

alter table task add column gates blob; -- what it asks for, see store.EncodeGates; does not change

-- What tasks share. A row is there while somebody is inside or in line, while its rate
-- remembers a start, and while it is configured.
create table gate (
  id blob not null primary key,
  kind integer not null,               -- 1 limit, 2 order, 3 duplicates
  ns integer not null,
  name text not null,
  capacity integer not null,           -- 0 = any number
  every integer not null,              -- from one start to the next; 0 = no rate
  burst integer not null,
  paused integer not null default 0,
  configured integer not null default 0,
  inside integer not null,
  waiting integer not null,
  last integer not null,               -- number given out last in line
  next integer not null,               -- time from which the rate is as after a rest
  holder blob                          -- who entered last
) strict, without rowid;
create index gate_configured on gate (ns, name) where configured;
create index gate_idle on gate (next, id) where inside = 0 and waiting = 0 and not configured;

-- Who waits for room, and nobody else.
create table line (
  gate blob not null,
  prio integer not null,
  at integer not null,                 -- number, and since when
  task blob not null,
  lane integer not null,
  primary key (gate, prio, at, task)
) strict, without rowid;
create index line_lane on line (lane, task);

-- Attempts that were canceled while they ran, and have not been seen to stop: their
-- tasks are still inside.
create table leaver (
  task blob not null,
  token integer not null,
  node blob not null,
  gates blob not null,
  primary key (task, token)
) strict, without rowid;

-- +goose Down
drop table leaver;
drop table line;
drop table gate;
alter table task drop column gates;
drop table share;
drop table need;
drop table dep;
drop table endpoint_reset;
drop table node_view;
