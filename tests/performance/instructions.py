def table_of_the_baseline() -> str:
    return ""
