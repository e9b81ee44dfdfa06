{# Dates that templates count with, and the names of the time that packages of older times call. #}

{% macro current_timestamp_backcompat() -%}
  {%- do return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) -%}
{%- endmacro %}

{% macro default__current_timestamp_backcompat() -%}
  cast({{ dbt.current_timestamp() }} as timestamp)
{%- endmacro %}

{% macro current_timestamp_in_utc_backcompat() -%}
  {%- do return(adapter.dispatch('current_timestamp_in_utc_backcompat', 'dbt')()) -%}
{%- endmacro %}

{% macro default__current_timestamp_in_utc_backcompat() -%}
  {%- do return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) -%}
{%- endmacro %}

{% macro get_snapshot_get_time_data_type() -%}
  {%- set columns = get_column_schema_from_query('select ' ~ (snapshot_get_time() | trim) ~ ' as time') -%}
  {%- do return(columns[0].dtype if columns else none) -%}
{%- endmacro %}

{% macro snapshot_string_as_time(timestamp) -%}
  {%- do return(adapter.dispatch('snapshot_string_as_time', 'dbt')(timestamp)) -%}
{%- endmacro %}

{% macro default__snapshot_string_as_time(timestamp) -%}
  cast('{{ timestamp }}' as timestamp)
{%- endmacro %}

{% macro default_last_day(date, datepart) -%}
  {%- do return(default__last_day(date, datepart)) -%}
{%- endmacro %}

{% macro py_current_timestring() -%}
  {%- do return(modules.datetime.datetime.now().strftime('%Y%m%d%H%M%S%f')) -%}
{%- endmacro %}

{% macro convert_datetime(date_str, date_fmt) -%}
  {%- set message = "the date '" ~ date_str ~ "' is not written as '" ~ date_fmt ~ "'" -%}
  {%- do return(try_or_compiler_error(message, modules.datetime.datetime.strptime, date_str.strip(), date_fmt)) -%}
{%- endmacro %}

{# All days from one to another, both included. #}
{% macro dates_in_range(start_date_str, end_date_str=none, in_fmt='%Y%m%d', out_fmt='%Y%m%d') -%}
  {%- set first = convert_datetime(start_date_str, in_fmt) -%}
  {%- set last = first if end_date_str is none else convert_datetime(end_date_str, in_fmt) -%}
  {%- set count = (last - first).days -%}
  {%- if count < 0 -%}
    {%- do exceptions.raise_compiler_error('the first day ' ~ first ~ ' comes after the last day ' ~ last) -%}
  {%- endif -%}
  {%- set days = [] -%}
  {%- for index in range(count + 1) -%}
    {%- set day = first + modules.datetime.timedelta(days=index) -%}
    {%- do days.append(day.strftime(out_fmt) if out_fmt else day) -%}
  {%- endfor -%}
  {%- do return(days) -%}
{%- endmacro %}

{# The days of `20240101` or `20240101,20240131`. #}
{% macro partition_range(raw_partition_date, date_fmt='%Y%m%d') -%}
  {%- set borders = (raw_partition_date | string).split(',') -%}
  {%- if borders | length > 2 -%}
    {%- do exceptions.raise_compiler_error('a range is one date or two with a comma between them, not ' ~ raw_partition_date) -%}
  {%- endif -%}
  {%- do return(dates_in_range(borders[0], borders[1] if borders | length == 2 else none, in_fmt=date_fmt)) -%}
{%- endmacro %}
