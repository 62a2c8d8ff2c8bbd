"""Security findings beside the verdict: container privileges and risks, known vulnerabilities of engines, host facts."""
