-- Bronze keeps what arrived.
select *
from {{ source('landing', 'customers') }}
