"""Writes mal.1 from what `mal --experimental-dump-help` prints: JSON on standard input, the manual page on standard output."""

import json
import sys


def text(words):
    """Words as roff takes them: no line begins with a command."""
    words = words.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in words.split("\n"))


def prose(words):
    """Paragraphs; lines that are set in stay as they are."""
    lines, isExample = [], False
    for line in words.split("\n"):
        if line.startswith("  ") != isExample and line:
            lines.append(".EE" if isExample else ".EX")
            isExample = not isExample
        lines.append(text(line) if line or isExample else ".PP")
    return lines + ([".EE"] if isExample else [])


def name(argument):
    names = [("-" if item["kind"] == "short" else "--") + item["name"] for item in argument.get("names", [])]
    value = argument.get("valueName", "")
    if argument["kind"] == "positional":
        return f"\\fI{text(value)}\\fR"
    shown = ", ".join(f"\\fB{text(item)}\\fR" for item in names)
    return shown + (f" \\fI{text(value)}\\fR" if argument["kind"] == "option" else "")


def commands(command, path):
    """The command and those below it, each with the words that call it."""
    path = path + [command["commandName"]]
    yield path, command
    for inner in command.get("subcommands", []):
        if inner["commandName"] != "help":
            yield from commands(inner, path)


def described(path, command):
    shown = [item for item in command.get("arguments", []) if item.get("shouldDisplay") and
             [names["name"] for names in item.get("names", [])] not in (["h", "help"], ["version"])]
    lines = [".SS " + text(" ".join(path)), text(command.get("abstract", ""))]
    if command.get("discussion"):
        lines += [".PP"] + prose(command["discussion"])
    for argument in shown:
        lines += [".TP", name(argument), text(argument.get("abstract", ""))]
        if argument.get("defaultValue"):
            lines[-1] += text(f" (default: {argument['defaultValue']})")
    return lines


def main():
    root = json.load(sys.stdin)["command"]
    lines = ['.TH MAL 1 "" "mal" "User Commands"', ".SH NAME", "mal \\- " + text(root["abstract"][0].lower() + root["abstract"][1:]),
             ".SH SYNOPSIS", "\\fBmal\\fR \\fIcommand\\fR [\\fIoption\\fR ...]", ".SH COMMANDS"]
    for path, command in commands(root, []):
        if len(path) > 1:
            lines += described(path, command)
    lines += [".SH EXIT STATUS", "0 done, 1 failed, 64 wrong usage, 130 stopped by Ctrl\\-C."]
    print("\n".join(lines))


main()
