-- Only what is of an issue waits for the operator when nobody knows whether it arrived. Whatever else did, nobody could ever let
-- go on; by now it is too late for it.
update deliveries set state = 'cancelled', finished_at = started_at
where state = 'uncertain' and issue_id is null and correction_id is null;
