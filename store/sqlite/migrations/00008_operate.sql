-- +goose Up
-- What operators did; see store.Audits.
create table audit (
  seq integer primary key,
  ns integer not null,
  at integer not null,
  key_id text not null,
  name text not null,
  address text not null,
  action text not null,
  target text not null,
  count integer not null,
  result text not null,
  reason text not null,
  seal blob              -- follows from that of the row before; null = not sealed yet
) strict;
create index audit_ns on audit (ns, seq);

-- Who may come in; see store.Access.
create table namespace (
  id integer primary key,
  name text not null unique,
  settings blob,
  created_at integer not null,
  rev integer not null   -- of the last change; rises over both tables
) strict;
insert into namespace (id, name, created_at, rev) values (1, 'default', 0, 1);

create table api_key (
  id text primary key,
  ns integer not null,
  name text not null,
  prefix text not null,
  hash blob not null unique,
  scopes integer not null,
  created_at integer not null,
  expires_at integer not null,
  last_used_at integer not null,
  revoked_at integer not null,
  rev integer not null
) strict, without rowid;

-- What is planned; see store.Schedules.
create table schedule (
  ns integer not null,
  name text not null,
  rev integer not null,
  paused integer not null,
  spec blob not null,
  declared blob,               -- null = no file says anything of it
  edited integer not null,
  next_at integer not null,    -- 0 = nothing is due
  last_due integer not null,
  last_fired integer not null,
  last_outcome integer not null,
  last_task blob,
  created_at integer not null,
  updated_at integer not null,
  primary key (ns, name)
) strict;
create index schedule_due on schedule (next_at, ns, name) where next_at > 0;

create table fire (
  ns integer not null,
  schedule text not null,
  due integer not null,
  task blob not null,          -- empty = none
  fired_at integer not null,
  outcome integer not null,
  reason text not null,
  primary key (ns, schedule, due, task)
) strict, without rowid;

-- What is done to many tasks at once; see store.Actions.
create table action (
  id blob not null primary key,
  ns integer not null,
  state integer not null,
  fence integer not null,
  until integer not null,      -- nobody else goes on with it before
  created_at integer not null,
  finished_at integer not null,
  items integer not null,
  body blob not null,
  progress blob not null
) strict;
create index action_ns on action (ns, id);
create index action_open on action (until, id) ;

create table action_item (
  action blob not null,
  seq integer not null,
  task blob not null,
  run integer not null,
  primary key (action, seq)
) strict, without rowid;

-- +goose Down
drop table action_item;
drop table action;
drop table fire;
drop table schedule;
drop table api_key;
drop table namespace;
drop table audit;
