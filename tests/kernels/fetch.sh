#!/usr/bin/env bash
# For build/kernels: gets a kernel of Debian by apt, and keeps what a guest needs of it.
# usage: fetch.sh DIR RELEASE ARCH
# DIR then has vmlinuz, modules.cpio, and the file package with the package's name and version. If that fails, DIR stays as
# it was.
set -euo pipefail

dir=$1 release=$2 arch=$3
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
new=$dir.new
rm -rf "$new"
mkdir -p "$new/work"
trap 'rm -rf "$new"' EXIT
cd "$new/work"
mkdir -p lists/partial archives/partial x root
: >status

# An apt of the other release, apart from that of the machine.
apt=(-q -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$PWD/lists"
    -o Dir::State::Status="$PWD/status" -o Dir::Cache="$PWD" -o APT::Architecture="$arch" -o APT::Architectures="$arch"
    -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3
    -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)

quietly() {
    "$@" >log 2>&1 || { cat log >&2; return 1; }
}

# update: gets the lists of the release, and checks their signature if there is a key for it.
update() {
    local mirror unchecked=''
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' 'Label: Debian' || true)
    mirror=${mirror%%$'\n'*}
    echo "deb [arch=$arch signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $release main" >sources.list
    if [[ ! -f $keyring ]] || ! apt-get "${apt[@]}" update >log 2>&1; then
        sed -i 's/signed-by=[^]]*/trusted=yes/' sources.list
        quietly apt-get "${apt[@]}" update
        unchecked=", its signature NOT checked: $keyring has no key for it"
    fi
    echo "$unchecked" >unchecked
}

# unpack: downloads the packages of the kernel and unpacks them in x. In newer releases that of the image has nothing but
# the names of others, which have the kernel and its modules.
unpack() {
    local packages package
    packages=$(apt-cache "${apt[@]}" depends --recurse --important "linux-image-$arch" | grep -E '^linux-[a-z]+-[0-9]')
    for package in $packages; do
        quietly apt-get "${apt[@]}" download "$package"
        dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C x
    done
    package=$(grep '^linux-image-' <<<"$packages")
    echo "$package $(dpkg-deb -f "$package"_*.deb Version)$(cat unchecked)" >package
}

# keep_modules: makes modules.cpio of the modules that are about networks.
keep_modules() {
    local modules version m
    modules=$(find x -path '*lib/modules/*' -name modules.builtin -type f)
    modules=$(dirname "$modules")
    version=$(basename "$modules")
    mkdir -p "root/lib/modules/$version"
    cp "$modules"/modules.{order,builtin,builtin.modinfo} "root/lib/modules/$version/"
    for m in "$modules"/kernel/{net,lib,crypto,arch/*/crypto} \
        "$modules"/kernel/drivers/net/{*.ko*,can/dev,can/vcan*,bonding,ipvlan,vxlan,wireguard}; do
        if [[ -e $m ]]; then
            mkdir -p "root/lib/modules/$version/$(dirname "${m#"$modules"/}")"
            cp -r "$m" "root/lib/modules/$version/${m#"$modules"/}"
        fi
    done
    find root -name '*.ko.xz' -exec xz -d {} +
    find root -name '*.ko.zst' -exec zstd -dq --rm {} +
    PATH=$PATH:/usr/sbin:/sbin quietly depmod -b root "$version"
    (cd root && find . -mindepth 1 | cpio -o -H newc -R +0:+0 --quiet) >modules.cpio
}

echo "fetching Debian's kernel of $release for $arch"
update
unpack
keep_modules
mv "$(find x -name 'vmlinu[xz]*' -type f | head -n 1)" ../vmlinuz
mv modules.cpio package ..
rm -rf "$new/work" "$dir"
mv "$new" "$dir"
