-- +goose Up
-- The same number means the same in store/postgres/migrations.
-- Times are microseconds since 1970 in UTC; ids are 16 bytes.

create table queue (
  id integer primary key,
  ns integer not null,
  name text not null,
  paused integer not null default 0,
  settings blob,
  created_at integer not null,
  unique (ns, name)
) strict;

create table lane (
  id integer primary key,
  queue integer not null,
  pool text not null, -- any | process:NAME | local:HANDLER
  unique (queue, pool)
) strict;

create table node (
  id blob not null primary key,
  name text not null,
  version integer not null,
  roles text not null,
  pools text not null,
  started_at integer not null,
  lease_until integer not null,
  draining integer not null default 0
) strict, without rowid;

-- The truth. No index but the primary key and one on columns that do not change.
create table task (
  id blob not null primary key,
  lane integer not null,
  created_at integer not null,
  at integer not null,          -- position when ready, due time when scheduled
  expires_at integer not null,
  first_started integer not null default 0,
  last_started integer not null default 0,
  finished_at integer not null default 0,
  token integer not null default 0,
  kind integer not null,
  flags integer not null,
  prio integer not null,
  state integer not null,
  reason integer not null,
  run integer not null default 1,
  failures integer not null default 0,
  crashes integer not null default 0,
  max_attempts integer not null,
  last_outcome integer not null default 0,
  last_code integer not null default 0,
  last_error text not null default '',
  node blob,
  parent blob,
  root blob,
  grp text,
  order_key text,               -- reserved
  keys blob,                    -- names of its client id and unique keys
  spec blob not null,
  payload blob                  -- up to 1 KiB; a larger one is in body, part 0
) strict;
create index task_lane on task (lane, id);

-- The work lists: every unfinished task is in exactly one of ready, timer, an
-- open claim, or a waiting relation.
create table ready (
  lane integer not null,
  prio integer not null,
  pos integer not null,
  id blob not null,
  primary key (lane, prio, pos, id)
) strict, without rowid;

create table timer (
  at integer not null,
  id blob not null,
  lane integer not null,
  kind integer not null default 1,
  primary key (at, id)
) strict, without rowid;

create table claim (
  id blob not null primary key,
  node blob not null,
  at integer not null,
  ids blob not null             -- 16 bytes each
) strict, without rowid;

create table attempt (
  task blob not null,
  token integer not null,
  run integer not null,
  number integer not null,
  node blob,
  started_at integer not null,
  finished_at integer not null,
  outcome integer not null,
  code integer not null,
  error text not null,
  headers blob,
  body blob,
  truncated integer not null default 0,
  primary key (task, token)
) strict;

create table body (
  task blob not null,
  part integer not null,
  bytes blob not null,
  primary key (task, part)
) strict;

create table key (
  ns integer not null,
  kind integer not null,
  hash blob not null,
  body blob not null,
  task blob not null,
  until integer not null,
  while_open integer not null,
  primary key (ns, kind, hash)
) strict, without rowid;
create index key_until on key (until, hash) where until > 0;

-- Failed tasks, for their listing.
create table dead (
  lane integer not null,
  at integer not null,
  id blob not null,
  primary key (lane, at, id)
) strict, without rowid;

create table meta (name text primary key, value text not null) strict, without rowid;
insert into meta values ('incarnation', lower(hex(randomblob(16))));
