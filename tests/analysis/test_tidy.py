import re

import pandas as pd
import pytest

from analysis.reading import read_table
from analysis.tidy import Columns, accuracy_groups
from orchestrator.refusal import Refused

GOOD = "model,n,seed,acc\na,128,0,0.2\na,256,0,0.3\nb,128,0,0.1\nb,256,0,0.15\n"
COLUMNS = Columns("n", "acc", ("model",), ("seed",), None)


def groups(tmp_path, text=GOOD, columns=COLUMNS, scale=1.0):
    path = tmp_path / "runs.csv"
    path.write_text(text)
    return accuracy_groups(read_table(path), columns, scale)


def refusal(tmp_path, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        groups(tmp_path, *args, **kwargs)
    return str(caught.value)


def test_groups_come_in_the_order_of_their_first_rows_in_points(tmp_path):
    found = groups(tmp_path)
    assert [group.key for group in found] == [{"model": "a"}, {"model": "b"}]
    assert found[1].runs.values.tolist() == [10.0, 15.0]
    assert found[1].runs.labels == ["row 3", "row 4"]


def test_percent_and_fractions_give_the_same_points(tmp_path):
    percent = "model,n,seed,acc\na,128,0,20\na,256,0,30\n"
    assert groups(tmp_path, percent, scale=100.0)[0].runs.values.tolist() == [20.0, 30.0]


def test_numbers_in_group_columns_stay_numbers_and_names_like_none_stay_names(tmp_path):
    text = "model,size,n,seed,acc\nNone,7,128,0,.2\nNone,7,256,0,.3\n"
    columns = Columns("n", "acc", ("model", "size"), ("seed",), None)
    assert groups(tmp_path, text, columns)[0].key == {"model": "None", "size": 7}


def test_parquet_and_tsv_are_read_too(tmp_path):
    table = pd.DataFrame({"n": [1, 2], "acc": [0.1, 0.2]})
    table.to_parquet(tmp_path / "runs.parquet")
    table.to_csv(tmp_path / "runs.tsv", sep="\t", index=False)
    for name in ("runs.parquet", "runs.tsv"):
        assert read_table(tmp_path / name)["acc"].tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("acc\n", "accuracy\n"), "no column 'acc': the table has model, n, seed, accuracy."),
        (
            ("a,256", "a,0"),
            "row 2: n is 0, which has no logarithm; leave rows without fine-tuning data out, as"
            " --where 'n > 0' does, or choose a law that takes them",
        ),
        (("a,256", "a,-4"), "row 2: n is -4, which has no logarithm"),
        (("a,256", "a,1e-300"), "row 2: n is 1e-300, which is no amount of data: give amounts from 1e-09"),
        (("a,256", "a,1e19"), "row 2: n is 1e+19, which is no amount of data"),
        (("128", "-128"), "row 1 (and 1 more): n is -128, which has no logarithm"),
        (("0.15", ""), "row 4: acc is empty; fill it in or leave it out, as --where 'acc.notna()' does"),
        (("0.15", "nan"), "row 4: acc is 'nan', not a finite number; correct the row or leave it out"),
        (("0.15", "inf"), "row 4: acc is 'inf', not a finite number; correct the row or leave it out"),
        (("0.15", "15 %"), "row 4: acc is '15 %', not a finite number; correct the row or leave it out"),
        (("b,256", ",256"), "row 4: model is empty; fill it in or leave the row out"),
        (
            ("0.15", "-0.1"),
            "row 4: acc is -0.1, not an accuracy from 0 to 1; correct the row or leave it out",
        ),
        (
            ("0.15", "56.8"),
            "row 4: acc is 56.8, not an accuracy from 0 to 1; correct the row or leave it out",
        ),
        (
            ("b,256", "b,128"),
            "rows 3 and 4 are the same run (model b, n 128, seed 0): leave one out, or name the column that"
            " tells them apart in --by or --seed",
        ),
    ],
)
def test_bad_rows_are_refused_in_a_sentence_with_row_column_value_and_remedy(tmp_path, change, sentence):
    assert sentence in refusal(tmp_path, GOOD.replace(*change))


def test_a_misspelt_column_is_guessed(tmp_path):
    assert refusal(tmp_path, columns=Columns("n", "ac", (), (), None)).endswith("Did you mean acc?")


def test_one_column_cannot_have_two_meanings(tmp_path):
    assert "'n' is named twice" in refusal(tmp_path, columns=Columns("n", "n", (), (), None))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty: give a table with a header line and one row per run"),
        ("model,n,seed,acc\n", "has a header but no rows: give one row per run"),
        ('a,b\n"1,2\n', "cannot be read as a table"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, sentence):
    assert sentence in refusal(tmp_path, content)


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(Refused, match=r"no file .*absent\.csv: give a CSV, TSV or Parquet table"):
        read_table(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"n,acc\n\xff\xfe,1\n")
    with pytest.raises(Refused, match="cannot be read as a table"):
        read_table(tmp_path / "bytes.csv")
    (tmp_path / "bytes.parquet").write_bytes(b"PAR0")
    with pytest.raises(Refused, match="cannot be read as a table"):
        read_table(tmp_path / "bytes.parquet")


def test_rows_that_repeat_without_a_seed_are_kept_and_named(tmp_path):
    text = "n,acc\n128,.2\n256,.3\n256,.3\n"
    (group,) = groups(tmp_path, text, Columns("n", "acc", (), (), None))
    assert len(group.runs.values) == 3
    assert group.notes == ("row 3 repeats an earlier row in every column; all are kept",)


def test_percent_over_fractions_is_questioned(tmp_path):
    (group,) = groups(tmp_path, "n,acc\n128,.2\n256,.3\n", Columns("n", "acc", (), (), None), scale=100.0)
    assert "are these fractions, and --percent a mistake?" in group.notes[0]


def test_items_are_a_number_or_a_column(tmp_path):
    text = "n,acc,items\n128,.2,600\n256,.3,500\n"
    for items, expected in [("1319", [1319.0, 1319.0]), ("items", [600.0, 500.0])]:
        (group,) = groups(tmp_path, text, Columns("n", "acc", (), (), items))
        assert group.runs.n_items.tolist() == expected
    assert "neither a number nor a column" in refusal(tmp_path, text, Columns("n", "acc", (), (), "many"))
    assert "row 1 (and 1 more): 0 test items" in refusal(tmp_path, text, Columns("n", "acc", (), (), "0"))


def test_percent_taken_for_fractions_is_recognised(tmp_path):
    percent = GOOD.replace("0.", "")
    told = "acc is 2, not an accuracy from 0 to 1; say --percent if the column is in percent"
    assert told in refusal(tmp_path, percent)


def test_rows_can_be_chosen_and_keep_their_numbers(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(GOOD.replace("b,256", "b,0"))
    chosen = accuracy_groups(read_table(path, "n > 0 and model == 'b'"), COLUMNS, 1.0)
    assert [group.runs.labels for group in chosen] == [["row 3"]]


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("n > 1000", "leaves no row of 4"),
        ("amount > 0", "the table has model, n, seed, acc"),
        ("n >", "is no condition on these rows"),
        ("n + 1", "is no condition"),
        ("'n'", "is no condition"),
        ("model > 0", "is no condition on these rows"),
    ],
)
def test_a_choice_of_rows_that_makes_no_sense_is_refused(tmp_path, where, sentence):
    path = tmp_path / "runs.csv"
    path.write_text(GOOD)
    with pytest.raises(Refused, match=re.escape(sentence)):
        read_table(path, where)


def test_a_table_with_a_column_per_amount_is_refused_with_the_way_to_melt_it(tmp_path):
    columns = Columns("amount", "loss", (), (), None)
    sentence = refusal(tmp_path, "model,0,200,400\na,4.1,4.0,3.9\n", columns)
    assert "table.melt(id_vars=['model'], var_name='amount', value_name='loss')" in sentence
