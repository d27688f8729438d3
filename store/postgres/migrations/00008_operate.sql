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

-- +goose Down
drop table sendoff.api_key;
drop table sendoff.namespace;
drop table sendoff.audit;
