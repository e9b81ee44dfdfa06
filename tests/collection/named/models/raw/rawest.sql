select 1 as x, '{{ this.schema }}.{{ this.table }}' as place, '{{ model.alias }}' as alias
