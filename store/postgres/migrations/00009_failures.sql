-- +goose Up
-- What failed alike; see store.Failures.
create table sendoff.failure_group (
    first_at    int8 not null,
    last_at     int8 not null,
    count       int8 not null,
    muted_until int8 not null, -- 0 = it is not
    sample      uuid not null,
    print       uuid not null,
    ns          int4 not null,
    queue       text not null,
    target      text not null,
    code        text not null,
    text        text not null,
    constraint failure_group_pkey primary key (ns, print)
);
create index failure_group_at on sendoff.failure_group (last_at, print, ns);

-- +goose Down
drop table sendoff.failure_group;
