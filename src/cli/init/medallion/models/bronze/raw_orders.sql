-- Bronze keeps what arrived, and which file it came from.
select *, _karat_file as source_file
from {{ source('landing', 'orders') }}
