{{ config(post_hook=["{{ note('after', this.name) }}", {'sql': "insert into {{ this }} values (2)", 'transaction': true}]) }}
select 1 as x
