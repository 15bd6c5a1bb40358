"""Values of objects that take long where work grows faster than their size: blanks, backslashes, brackets, lists."""

from typing import Any

LONG: tuple[Any, ...] = (
    *(" " * 5000, "{{" + " " * 3000, "{{" * 3000, "{{ variables.x }}" * 500, "x{{ variables.x }}" * 200),
    *("# don't\nsum(x{p=~\"" + "\\\\d" * 40 + '"})', "'" + "\\" * 4000, "\\'" * 2000, "\"'" * 2000),
    *("1" + "+1" * 2000, "(" * 2000 + "x" + ")" * 2000, "9" * 9000, "1s" * 3000, "%A(" * 3000, "-" * 9000, "[" * 3000),
    *(r"(\pL|\pN|\pS|\pM){60}", "(?i)" + r"\pL" * 1000, "((a{9}){9}){9}", "a" * 9000),
    *([101] * 3000, ["a"] * 3000, [{}] * 3000, [{"name": "a"}] * 1000, {str(number): 5 for number in range(1500)}),
    [{"headers": {"x": {"regex": f"{number}"}}} for number in range(300)],
)
