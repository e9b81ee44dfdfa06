-- The current version of every user. Two versions of one load are told apart by
-- the time of the user's last change.

with newest as (

    {{ newest_versions(ref('users'), ['user_id'], then_by=['updated_at']) }}

)

select
    user_id,
    first_name,
    last_name,
    email,
    phone_number,
    address_id,
    try_parse_utc(created_at) as created_at_utc,
    try_parse_utc(updated_at) as updated_at_utc,
    date_load_utc,
    source_file,
    source_line
from newest
where not is_deleted
