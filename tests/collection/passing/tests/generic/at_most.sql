{% test at_most(model, rows) %}select count(*) as n from {{ model }} having count(*) > {{ rows }}{% endtest %}
