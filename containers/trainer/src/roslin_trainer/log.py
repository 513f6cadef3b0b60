"""Log lines for people: plain sentences, few of them."""


def log(line: str) -> None:
    print(line, flush=True)
