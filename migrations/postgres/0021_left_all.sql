-- When somebody last left everything, and not only some digests: what they asked for before that counts no more.
alter table subscribers add column left_all_at bigint;
update subscribers set left_all_at = updated_at where state = 'unsubscribed';
