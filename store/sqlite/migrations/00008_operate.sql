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

-- +goose Down
drop table api_key;
drop table namespace;
drop table audit;
