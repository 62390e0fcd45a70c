-- What goes to those who received the mail `of_mail` of the issue: the correction in its language, about its subject. To those
-- of another mail goes that of the correction itself.
create table correction_mails (
    correction_id bigint not null references corrections (id),
    of_mail bigint not null references mails (id),
    mail_id bigint not null references mails (id),
    primary key (correction_id, of_mail)
);
