//! Jinja with Python's meaning.

use crate::template::tests::{check, check_with, failed};

#[test]
fn text_of_values_is_pythons() {
    check(&[
        ("{{ nope }}", ""),
        ("{{ true }} {{ None }} {{ 1.0 }} {{ 1e16 }} {{ 0.00001 }}", "True None 1.0 1e+16 1e-05"),
        ("{{ [1, 'a', \"it's\", none, true, 1.5] }}", r#"[1, 'a', "it's", None, True, 1.5]"#),
        ("{{ {'a': [1], 2: (1,)} }}", "{'a': [1], 2: (1,)}"),
        ("{{ 'a' ~ 1 ~ true ~ none ~ nope }}", "a1TrueNone"),
        ("{{ [true, 1] | join('-') }} {{ true | string }}", "True-1 True"),
        ("{{ set([1, 1, 2]) }} {{ set([]) }}", "{1, 2} set()"),
    ]);
}

#[test]
fn arithmetic_is_pythons() {
    check(&[
        ("{{ 7 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 2 ** 10 }}", "3.5 3 -4 1 2 1024"),
        ("{{ 6 / 2 }} {{ 'ab' * 3 }} {{ [0] * 3 }} {{ 1 + 2.5 }} {{ true + 1 }}", "3.0 ababab [0, 0, 0] 3.5 2"),
        ("{{ [1] + [2] }} {{ 'a' + 'b' }} {{ (1,) + (2,) }}", "[1, 2] ab (1, 2)"),
        ("{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 'a' != 'b' }}", "True False True True"),
        ("{{ 'b' in 'abc' }} {{ 2 in [1, 2] }} {{ 'k' in {'k': 1} }} {{ 3 not in [1] }}", "True True True True"),
        ("{{ -(1 + 2) }} {{ not true }} {{ 1 and 0 }} {{ 0 or 'x' }}", "-3 False 0 x"),
        ("{{ 'x' if 1 else 'y' }}{{ 'x' if 0 }}", "x"),
    ]);
}

#[test]
fn percent_and_brace_formats() {
    check(&[
        ("{{ '%s-%d' % ('a', 5) }} {{ '%s' % 'x' }} {{ '%05.2f|%-4s|' % (3.14159, 'ab') }}", "a-5 x 03.14|ab  |"),
        ("{{ '%(a)s/%(b)03d' % {'a': 1, 'b': 2} }} {{ '%d%%' % 5 }}", "1/002 5%"),
        (
            "{{ '{}-{}'.format(1, 'b') }} {{ '{1}{0}'.format(1, 2) }} {{ '{n:>4}|{x:,.1f}'.format(n=7, x=12345.678) }}",
            "1-b 21    7|12,345.7",
        ),
        ("{{ '%s' | format('x') }} {{ '{:02d}'.format(3) }}", "x 03"),
    ]);
}

#[test]
fn lists_and_dicts_change_in_place() {
    check(&[
        (
            "{% set l = [1] %}{% do l.append(2) %}{% do l.extend([3, 4]) %}{% do l.insert(0, 0) %}{{ l }}{{ l.pop() }}{{ l.pop(0) }}{{ l }}",
            "[0, 1, 2, 3, 4]40[1, 2, 3]",
        ),
        (
            "{% set l = [3, 1, 2] %}{% do l.sort() %}{{ l }}{% do l.reverse() %}{{ l }}{% do l.remove(2) %}{{ l }}{{ l.index(1) }}",
            "[1, 2, 3][3, 2, 1][3, 1]1",
        ),
        (
            "{% set d = {} %}{% do d.update({'a': 1}) %}{% do d.update(b=2) %}{{ d }}{{ d.pop('a') }}{{ d.setdefault('c', []) }}{{ d }}",
            "{'a': 1, 'b': 2}1[]{'b': 2, 'c': []}",
        ),
        ("{% set d = {'a': []} %}{% do d['a'].append(1) %}{% do d.a.append(2) %}{{ d }}", "{'a': [1, 2]}"),
        (
            "{% set l = 'b,a' | list %}{% do l.append('z') %}{{ l | length }}{% set s = [2, 1] | sort %}{% do s.append(9) %}{{ s }}",
            "4[1, 2, 9]",
        ),
        ("{% set a = [] %}{% for i in range(3) %}{% do a.append(i) %}{% endfor %}{{ a }}", "[0, 1, 2]"),
        ("{% set l = [1] %}{% set m = l.copy() %}{% do m.append(2) %}{{ l }}{{ m }}", "[1][1, 2]"),
        (
            "{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}{{ {'a': 1}.keys() }}{{ {'a': 1}.get('b', 2) }}",
            "a1['a']2",
        ),
        (
            "{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}{{ {'items': 5}['items'] }}{{ {'name': 3}.name }}",
            "{'a': 1, 'b': 2}{'x': 1}53",
        ),
        ("{% do 1 + 1 %}{% set x = [] %}{% do x.append(1) if true %}{{ x }}", "[1]"),
    ]);
}

#[test]
fn strings_have_their_methods() {
    check(&[
        (
            "{{ 'aB'.upper() }}{{ 'aB'.lower() }}{{ 'ab cd'.title() }}{{ ' x '.strip() }}|{{ 'xxa'.lstrip('x') }}",
            "ABabAb Cdx|a",
        ),
        (
            "{{ 'a,b,c'.split(',') }}{{ 'a b'.split() }}{{ 'a,b,c'.split(',', 1) }}{{ 'a.b.c'.rsplit('.', 1) }}",
            "['a', 'b', 'c']['a', 'b']['a', 'b,c']['a.b', 'c']",
        ),
        (
            "{{ ', '.join(['a', 'b']) }} {{ 'abab'.replace('a', 'x', 1) }} {{ 'abc'.startswith(('x', 'ab')) }}",
            "a, b xbab True",
        ),
        ("{{ 'abc'[0] }}{{ 'abc'[-1] }}{{ 'abc'[1:] }}{{ 'abc'[::-1] }}{{ [1, 2, 3][:-1] }}", "acbccba[1, 2]"),
        (
            "{{ 'x'.zfill(3) }}{{ 'ab'.find('b') }}{{ 'ab'.find('z') }}{{ '12'.isdigit() }}{{ 'a_b'.partition('_') }}",
            "00x1-1True('a', '_', 'b')",
        ),
    ]);
}

#[test]
fn statements_scopes_and_loops() {
    check(&[
        (
            "{% for i in [1, 2, 3] if i != 2 %}{{ loop.index }}:{{ i }}{{ ',' if not loop.last }}{% else %}none{% endfor %}",
            "1:1,2:3",
        ),
        ("{% for i in [] %}{% else %}none{% endfor %}{% for i in nope %}x{% endfor %}", "none"),
        (
            "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "02",
        ),
        (
            "{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}{% if true %}{% set x = 3 %}{% endif %}{{ x }}",
            "13",
        ),
        ("{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "3"),
        ("{% set a, b = 1, 2 %}{{ a }}{{ b }}{% with c = 5 %}{{ c }}{% endwith %}{{ c }}", "125"),
        (
            "{% set t %}a{{ 1 }}{% endset %}{{ t }}{% set u | upper %}ab{% endset %}{{ u }}{% filter upper %}x{% endfilter %}",
            "a1ABX",
        ),
        (
            "{% for g in [[1, [2]]] recursive %}{{ g if g is number }}{% if g is iterable %}[{{ loop(g) }}]{% endif %}{% endfor %}",
            "[1[2]]",
        ),
        (
            "{% for i in 'ab' %}{{ loop.cycle('x', 'y') }}{{ loop.previtem }}{% endfor %}{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}",
            "xyaTrueFalseTrue",
        ),
        ("{% if 0 %}a{% elif 1: %}b{% else: %}c{% endif %}{%- if true: -%} d {%- endif %}", "bd"),
        ("{# no {{ x }} #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("a\n{%- set x = 1 -%}\nb", "ab"),
        ("line\n", "line"),
        (
            "{% for row in [(1, 2), (3, 4)] %}{{ row[0] }}{% endfor %}{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}",
            "1312",
        ),
    ]);
}

#[test]
fn filters_and_tests() {
    check(&[
        (
            "{{ [3, 1] | sort | first }}{{ 'abc' | length }}{{ [1, 2] | sum }}{{ [1, 5] | max }}{{ ' a ' | trim }}{{ nope | default('d') }}",
            "1335ad",
        ),
        (
            "{{ ['a', 'b'] | map('upper') | join(',') }}{{ [{'n': 1}, {'n': 2}] | map(attribute='n') | list }}",
            "A,B[1, 2]",
        ),
        (
            "{{ [{'n': 1}, {'n': 2}] | selectattr('n', 'gt', 1) | list }}{{ [1, 2, 3] | reject('odd') | list }}",
            "[{'n': 2}][2]",
        ),
        (
            "{{ [1, 1, 2] | unique | list }}{{ 'a-b' | replace('-', '_') }}{{ '5' | int + 1 }}{{ 'x' | int }}{{ 3.7 | int }}",
            "[1, 2]a_b603",
        ),
        ("{{ 'true' | as_bool }}{{ '5' | as_number }}{{ 5 | as_text ~ 'x' }}{{ [1] | as_native }}", "true55x[1]"),
        ("{{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ 'ab\ncd' | indent(2) }}", "2.0 3.14 ab\n  cd"),
        (
            "{{ 1 is defined }}{{ nope is defined }}{{ none is none }}{{ {} is mapping }}{{ [] is iterable }}{{ 'a' is string }}{{ 1 is number }}{{ [1] is sequence }}",
            "TrueFalseTrueTrueTrueTrueTrueTrue",
        ),
        (
            "{{ ref is callable }}{{ 1 is callable }}{{ 4 is divisibleby 2 }}{{ 3 is odd }}{{ 'a' is in ['a'] }}",
            "TrueFalseTrueTrueTrue",
        ),
        (
            "{% for g in [{'k': 1, 'v': 2}, {'k': 1, 'v': 3}] | groupby('k') %}{{ g.grouper }}:{{ g.list | length }}{% endfor %}",
            "1:2",
        ),
        (
            "{% for b in [1, 2, 3] | batch(2) %}{{ b | length }}{% endfor %}{{ {'b': 1, 'a': 2} | dictsort }}",
            "21[('a', 2), ('b', 1)]",
        ),
        (
            "{{ {'a': [1, 'x', none, true]} | tojson }}{{ tojson({'b': 1.5, 'a': 'é'}, sort_keys=true) }}",
            r#"{"a": [1, "x", null, true]}{"a": "\u00e9", "b": 1.5}"#,
        ),
        (
            "{{ fromjson('{\"a\": [1, 2]}').a[1] }}{{ fromjson('nonsense', 'd') }}{{ fromyaml('a: [1, x]').a }}",
            "2d[1, 'x']",
        ),
        ("{{ toyaml({'a': 1, 'b': [1, 'x: y'], 'c': {'d': 'true'}}) }}", "a: 1\nb:\n- 1\n- 'x: y'\nc:\n  d: 'true'\n"),
        ("{{ local_md5('hello') }}", "5d41402abc4b2a76b9719d911017c592"),
        (
            "{{ zip([1, 2], ['a', 'b']) }}{{ zip(1, default=[]) }}{{ set([2, 1]) | sort }}{{ range(1, 7, 3) }}",
            "[(1, 'a'), (2, 'b')][][1, 2][1, 4]",
        ),
        (
            "{{ set([1, 2]).intersection([2]) }}{{ set([1]).union([3]) }}{{ diff_of_two_dicts({'a': ['x', 'y']}, {'A': ['X']}) }}",
            "{2}{1, 3}{'a': ['y']}",
        ),
    ]);
}

#[test]
fn itertools_give_lists() {
    check(&[
        ("{% for a, b in modules.itertools.product([1, 2], 'xy') %}{{ a }}{{ b }} {% endfor %}", "1x 1y 2x 2y "),
        ("{{ modules.itertools.product([0, 1], repeat=2) | list }}", "[(0, 0), (0, 1), (1, 0), (1, 1)]"),
        ("{{ modules.itertools.chain([1], (2, 3), {'k': 1}) | list }}", "[1, 2, 3, 'k']"),
        ("{{ modules.itertools.chain.from_iterable([[1], [2]]) | list }}", "[1, 2]"),
        ("{{ modules.itertools.combinations([1, 2, 3], 2) | list }}", "[(1, 2), (1, 3), (2, 3)]"),
        (
            "{{ modules.itertools.combinations_with_replacement('ab', 2) | list }}",
            "[('a', 'a'), ('a', 'b'), ('b', 'b')]",
        ),
        ("{{ modules.itertools.permutations([1, 2]) | list }}", "[(1, 2), (2, 1)]"),
        ("{{ modules.itertools.combinations([1], 2) | list }}", "[]"),
        (
            "{{ modules.itertools.islice([1, 2, 3, 4, 5], 1, none, 2) | list }}{{ modules.itertools.islice('abc', 2) | join }}",
            "[2, 4]ab",
        ),
        ("{{ modules.itertools.zip_longest([1, 2], [3], fillvalue=0) | list }}", "[(1, 3), (2, 0)]"),
        (
            "{{ modules.itertools.compress('abc', [1, 0, 1]) | join }}{{ modules.itertools.repeat('x', 2) | join }}",
            "acxx",
        ),
    ]);
}

#[test]
fn times_and_patterns() {
    check(&[
        (
            "{{ run_started_at }} {{ run_started_at.strftime('%Y-%m-%d') }} {{ run_started_at.isoformat() }}",
            "2024-03-05 06:07:08.250000+00:00 2024-03-05 2024-03-05T06:07:08.250000+00:00",
        ),
        (
            "{{ (run_started_at - modules.datetime.timedelta(days=1, hours=2)).strftime('%d %H %f %Z') }}",
            "04 04 250000 UTC",
        ),
        ("{{ run_started_at.astimezone(modules.pytz.timezone('Europe/Berlin')) }}", "2024-03-05 07:07:08.250000+01:00"),
        (
            "{{ modules.datetime.datetime(2024, 2, 29) + modules.datetime.timedelta(1) }} {{ modules.datetime.date(2024, 1, 31).isoformat() }}",
            "2024-03-01 00:00:00 2024-01-31",
        ),
        (
            "{{ (modules.datetime.datetime.strptime('2024-03-01', '%Y-%m-%d') - modules.datetime.datetime(2024, 2, 1)).days }}",
            "29",
        ),
        (
            "{{ modules.datetime.datetime.now().year }} {{ modules.datetime.date.today() }} {{ modules.datetime.datetime.utcnow() < run_started_at }}",
            "2024 2024-03-05 False",
        ),
        (
            "{{ modules.datetime.timedelta(days=1, seconds=5) }} {{ modules.datetime.timedelta(hours=36).total_seconds() }}",
            "1 day, 0:00:05 129600.0",
        ),
        (
            "{{ modules.re.match('(\\w+)-(?P<n>\\d+)', 'ab-12').group('n') }} {{ modules.re.search('z', 'ab') is none }}",
            "12 True",
        ),
        (
            "{{ modules.re.sub('(a)(b)', '\\\\2\\\\1', 'xabx') }} {{ modules.re.findall('\\d', 'a1b2') }} {{ modules.re.split(',\\s*', 'a, b') }}",
            "xbax ['1', '2'] ['a', 'b']",
        ),
        (
            "{{ modules.re.match('B', 'ab') is none }}{{ modules.re.match('A', 'ab', modules.re.IGNORECASE) is not none }}{{ modules.re.compile('b+').sub('-', 'abbc') }}",
            "TrueTruea-c",
        ),
    ]);
}

#[test]
fn macros_in_a_template_see_its_variables() {
    check_with(
        &[],
        &[
            (
                "{% set x = 1 %}{% macro m(a, b=2) %}{{ a }}{{ b }}{{ x }}{% endmacro %}{{ m(5) }}{{ m(5, b=6) }}",
                "521561",
            ),
            ("{% macro m() %}[{{ caller(1) }}]{% endmacro %}{% call(v) m() %}{{ v }}{% endcall %}", "[1]"),
            (
                "{% set x = 'out' %}{% macro m() %}{{ caller() }}{% endmacro %}{% for i in [1] %}{% call m() %}{{ x }}{{ i }}{% endcall %}{% endfor %}",
                "out1",
            ),
        ],
    );
}

#[test]
fn patterns_of_python_that_look_around() {
    check(&[
        (r"{{ modules.re.findall('(?<!distinct\\s)from (\\w+)(?=\\s|$)', 'from a b distinct from c') }}", "['a']"),
        (r"{{ modules.re.sub('(\\w)\\1', '<\\1>', 'aabbc') }}", "<a><b>c"),
        (r#"{{ modules.re.match('(?P<q>["]).*?(?P=q)', '"x" y').group(0) }}"#, "\"x\""),
        (r"{{ modules.re.split('(?<=,)', 'a,b') }}", "['a,', 'b']"),
        // A brace that begins no repetition, and brackets within sets.
        (r"{{ modules.re.findall('({{\\s*ref\\s*\\()', 'x {{ ref(1) }}') }}", "['{{ ref(']"),
        (r"{{ modules.re.findall('a{2}|a{,1}b|{x|[[]|[^]&&]\\Z', 'aa ab {x [ q') }}", "['aa', 'ab', '{x', '[', 'q']"),
    ]);
    let message = "the pattern `(a|aa)+(?=b)c` would be tried in more than 1000000 ways on this text";
    let text = "a".repeat(40);
    assert!(failed(&[], &format!("{{{{ modules.re.search('(a|aa)+(?=b)c', '{text}') }}}}")).contains(message));
}
