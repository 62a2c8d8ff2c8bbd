# The image of the agent: a Python image with this program and its packages in /opt/cloison.
# The build context holds all files, so the build uses no network. It works with the legacy builder and with BuildKit.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Cloison agent" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY site/ /opt/cloison/
ENV PYTHONPATH=/opt/cloison \
    PYTHONDONTWRITEBYTECODE=1
# The root file system is read-only at run time, so the byte code is compiled here and not checked again. The import
# fails if a compiled package does not fit the Python, processor or C library of this image.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/cloison \
 && python -c "import cloison.agent, cloison.rehearse.environment, cloison.observe.session, cloison.engine.docker"
ENTRYPOINT ["python", "-m", "cloison.agent"]
