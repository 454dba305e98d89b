# split-surgery with real Caffe 1.0 beside it:
#   docker build -t split-surgery .
#   docker run --rm -v "$PWD:/nets" split-surgery split-surgery verify derived1
# Its steps are those of the tests; the image as a whole has not been built by them (docs/caffe.md).
FROM python:3.12-slim-bookworm

# Where Debian 11's packages are, if no longer on the mirror of the base image.
ARG SPLIT_SURGERY_DEBIAN_MIRROR=
ENV SPLIT_SURGERY_CAFFE_ROOT=/opt/caffe PATH=/opt/caffe/bin:$PATH
WORKDIR /opt/split-surgery

COPY scripts scripts
RUN scripts/get-caffe

COPY . .
RUN pip install --no-cache-dir '.[all]'
RUN split-surgery demo demo -q

WORKDIR /nets
CMD ["split-surgery", "--help"]
