# capsulet in an image of its own. Needs no registry: the binary is built outside (`make build`) and is static.
#   make image            imports the same content without a builder
#   docker build .        for those who have one
FROM scratch
COPY bin/capsulet /capsulet
ENTRYPOINT ["/capsulet"]
CMD ["run"]
