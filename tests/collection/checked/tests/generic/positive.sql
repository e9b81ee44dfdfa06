{% test positive(model, column_name) %}
{{ config(fail_calc='count(*)', severity='error') }}
select {{ column_name }} from {{ model }} where {{ column_name }} < 0
{% endtest %}
