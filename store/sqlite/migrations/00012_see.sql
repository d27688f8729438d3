-- +goose Up
-- What people look at often; see store.SavedViews.
create table saved_view (
  ns integer not null,
  name text not null,
  path text not null,
  query text not null,
  created_at integer not null,
  updated_at integer not null,
  primary key (ns, name)
) strict, without rowid;
-- How it was before an action and after it; see store.Audits.
alter table audit add column was text not null default '';
alter table audit add column became text not null default '';

-- +goose Down
alter table audit drop column became;
alter table audit drop column was;
drop table saved_view;
