-- What the operator's template failed with on an issue, some mail of which was made by the built-in one; none: nothing.
alter table issues add column template_error text;
