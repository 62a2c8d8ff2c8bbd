"""The security findings beside the verdict: container risks, known vulnerabilities of engines, host facts."""
