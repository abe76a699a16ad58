"""What is mutated in a line, and that all mutants of a source can stand in it at once, each behind its number."""

import shutil
import subprocess
from pathlib import Path

import pytest
from mutation.sites import blanked, mutants, written


def changes(line: str) -> set[str]:
    """The line as each of its mutants has it."""
    return {line[: mutant.begin] + mutant.instead + line[mutant.end :] for mutant in mutants(line)}


def test_comparison_moves_its_edge_and_turns_round():
    assert changes("    return a < b;") == {"    return a <= b;", "    return a >= b;"}
    assert changes("    return a == b;") == {"    return a != b;"}


def test_condition_is_negated_and_loses_each_operand():
    assert changes("    return a && b;") == {"    return true && b;", "    return a && true;"}
    assert changes("    return a || b;") == {"    return false || b;", "    return a || false;"}
    assert changes("    if (a) b = c;") == {"    if (!(a)) b = c;", "    if (a) "}
    assert changes("    return a ? b : c;") == {"    return !(a) ? b : c;"}
    assert changes("    return !a;") == {"    return a;"}


def test_number_is_one_more_and_one_less():
    assert changes("    return 12;") == {"    return 11;", "    return 13;"}
    assert changes("    return 0;") == {"    return 1;"}


def test_statement_is_left_out_or_counts_the_other_way():
    assert changes("{ ++a->b; }") == {"{  }", "{ --a->b; }"}
    assert changes("{ a[i] += b; }") == {"{  }", "{ a[i] -= b; }"}
    assert changes("{ free(a); }") == {"{  }"}


@pytest.mark.parametrize(
    "line",
    [
        "// a < b, and 12",
        'throw Error("a < b");',
        "#include <vector>",
        "std::array<uint32_t, 12> a;",
        "uint32_t width : 12;",
        "static constexpr uint32_t chunks = 64;",
        "template <class T, class U>",
        "uint32_t a;",
        "const Page& page;",
        "if (a < b) prefetch_to_write(a + 1);",
        "nodes_.fetch(a + 1);",
    ],
)
def test_what_is_no_expression_is_left_alone(line):
    assert changes(line) == set()


def test_text_keeps_its_length_without_comments_and_strings():
    text = 'a = \'b\'; // c\n/* d\n e */ f("g\\"h");'
    assert blanked(text) == "a = '_';     \n    \n      f(\"____\");"


SOURCE = """\
constexpr int twice(int a) { return a * 2; }
static_assert(twice(2) == 4);
int count(int limit, bool up) {
    int sum = 0;
    for (int i = 0; i < limit; ++i) {
        if (i % 2 == 0 && up) continue;
        sum += twice(i) - (up ? 1 : 0);
    }
    return sum;
}
"""
MAIN = """\
int mutation_active = 0;
unsigned char mutation_reached[mutation::most];
unsigned char mutation_invalid[mutation::most];
#include <cstdio>
int main() {
    for (; mutation_active < 99; ++mutation_active) std::printf("%d ", count(4, true));
}
"""


def test_all_mutants_of_a_source_compile_at_once_and_each_is_itself(tmp_path):
    """Also in what a constant expression calls, which keeps its value there."""
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    all_there_are = [mutant for mutant in mutants(SOURCE) if (mutant.found, mutant.instead) != ("<", ">=")]
    numbered = list(enumerate(all_there_are, 1))
    (tmp_path / "count.cpp").write_text(written(SOURCE, numbered) + MAIN)
    header = Path(__file__).parent / "switch.hpp"
    command = ["g++", "-std=c++20", "-w", "-include", header, "count.cpp", "-o", "count"]
    subprocess.run(command, cwd=tmp_path, check=True)
    counted = subprocess.run(["./count"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    given = {(mutant.found, mutant.instead): int(counted[number]) for number, mutant in numbered}
    assert int(counted[0]) == 6  # 2·1 − 1 + 2·3 − 1
    assert given["<", "<="] == 6  # 4 is even
    assert given["*", "+"] == 6  # 1 + 2 − 1 + 3 + 2 − 1
    assert given["-", "+"] == 10
    assert given["continue;", ""] == 8  # −1, 1, 3, 5
    assert given["i % 2 == 0", "true"] == 0
    assert given["up", "true"] == 6
    assert given["sum += twice(i) - (up ? 1 : 0);", ""] == 0
    assert given["sum += twice(i) - (up ? 1 : 0)", "sum -= twice(i) - (up ? 1 : 0)"] == -6
