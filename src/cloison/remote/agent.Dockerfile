# The image of the scout: a Python, and in /opt/cloison this program with the packages that it runs on.
# Everything is in the build's context, so that no build asks a network. Builds with the legacy builder and BuildKit.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Cloison scout" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY site/ /opt/cloison/
ENV PYTHONPATH=/opt/cloison \
    PYTHONDONTWRITEBYTECODE=1
# The root file system is read-only at run time, so the byte code is made now and trusted as it is. The import fails
# when a compiled package was made for another Python, processor or C library than this image has.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/cloison \
 && python -c "import cloison.agent, cloison.rehearse.environment, cloison.observe.session, cloison.engine.docker"
ENTRYPOINT ["python", "-m", "cloison.agent"]
