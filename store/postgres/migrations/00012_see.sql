-- +goose Up
-- What people look at often; see store.SavedViews.
create table sendoff.saved_view (
    created_at int8 not null,
    updated_at int8 not null,
    ns         int4 not null,
    name       text collate "C" not null,
    path       text not null,
    query      text not null,
    constraint saved_view_pkey primary key (ns, name)
);
-- How it was before an action and after it; see store.Audits.
alter table sendoff.audit add column was text not null default '', add column became text not null default '';

-- +goose Down
alter table sendoff.audit drop column became, drop column was;
drop table sendoff.saved_view;
