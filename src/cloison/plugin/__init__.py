"""The command as a plugin of the docker CLI: `docker cloison`.

Source: https://github.com/docker/cli/tree/master/cli-plugins.
"""
